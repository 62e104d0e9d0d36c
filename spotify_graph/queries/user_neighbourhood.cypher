// A user's neighbourhood, for drawing: the tracks with most events, every interaction with them, artists and genres.
// key user_id: User — whose neighbourhood
// param limit: INTEGER 1..100 = 10 — how many tracks at most
MATCH (user:User {user_id: $user_id})-[edge:<EVENTS>]->(track:Track)
WITH track, sum(edge.count) AS events, collect(edge) AS edges
ORDER BY events DESC, track.track_id
LIMIT $limit
CALL (track, edges) {
  UNWIND edges AS edge
  RETURN edge
  UNION ALL
  MATCH (track)-[edge:BY|IN_GENRE]->()
  RETURN edge
}
RETURN startNode(edge) AS source, edge AS relationship, endNode(edge) AS target
ORDER BY type(edge), edge.count DESC, coalesce(source.user_id, source.track_id), coalesce(target.track_id, target.name)
