// A genre's neighbourhood, for drawing: the most widely heard tracks, their artists, and who plays them most.
// key genre: Genre — whose neighbourhood
// param limit: INTEGER 1..100 = 10 — how many tracks, and how many users, at most
MATCH (:Genre {name: $genre})<-[:IN_GENRE]-(track:Track)
WITH track
ORDER BY COUNT { (track)<-[:PLAYED]-() } DESC, track.track_id
LIMIT $limit
WITH collect(track) AS tracks
CALL (tracks) {
  UNWIND tracks AS track
  MATCH (track)<-[played:PLAYED]-(user:User)
  WITH user, sum(played.count) AS plays
  ORDER BY plays DESC, user.user_id
  LIMIT $limit
  RETURN collect(user) AS users
}
CALL (tracks, users) {
  UNWIND tracks AS track
  MATCH (track)-[edge:BY|IN_GENRE]->()
  RETURN edge
  UNION ALL
  UNWIND users AS user
  UNWIND tracks AS track
  MATCH (user)-[edge:PLAYED]->(track)
  RETURN edge
}
RETURN startNode(edge) AS source, edge AS relationship, endNode(edge) AS target
ORDER BY type(edge), edge.count DESC, coalesce(source.user_id, source.track_id), coalesce(target.track_id, target.name)
