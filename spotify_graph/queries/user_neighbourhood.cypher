// A user's neighbourhood, for drawing: the tracks with most events, every interaction with them, artists and genres.
// key user_id: User — whose neighbourhood
// param limit: INTEGER 1..100 = 10 — how many tracks at most
// An interaction, whatever its type, is what has a count: recommendations have none.
MATCH (user:User {user_id: $user_id})-[edge]->(track:Track)
WHERE edge.count IS NOT NULL
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
WITH edge, startNode(edge) AS source, endNode(edge) AS target
RETURN labels(source)[0] AS source_label, coalesce(source.user_id, source.track_id) AS source,
       source.title AS source_title, type(edge) AS relationship, edge.count AS count,
       labels(target)[0] AS target_label, coalesce(target.track_id, target.name) AS target,
       target.title AS target_title
ORDER BY relationship, count DESC, source, target
