// A track's neighbourhood, for drawing: its artist and genres, who plays it most, and the tracks most similar to it.
// key track_id: Track — whose neighbourhood
// param limit: INTEGER 1..100 = 10 — how many users, and how many similar tracks, at most
MATCH (track:Track {track_id: $track_id})
CALL (track) {
  MATCH (track)-[edge:BY|IN_GENRE]->()
  RETURN edge
  UNION ALL
  MATCH (track)<-[edge:PLAYED]-(user:User)
  RETURN edge
  ORDER BY edge.count DESC, user.user_id
  LIMIT $limit
  UNION ALL
  // While another model is loaded, its relationships lie beside those of the active one.
  MATCH (model:_Model {name: 'recommendations'})
  MATCH (track)-[edge:SIMILAR_TO]->()
  WHERE edge.model = model.version
  RETURN edge
  ORDER BY edge.rank
  LIMIT $limit
}
RETURN startNode(edge) AS source, edge AS relationship, endNode(edge) AS target
ORDER BY type(edge), edge.count DESC, edge.rank, coalesce(source.user_id, source.track_id),
         coalesce(target.track_id, target.name)
