// The users whose taste is most like a user's, and what they share.
// serves: spotify-graph serve
// $asked.user_id: whose taste
// $asked.k: how many users at most
// The answer is one row, whatever the graph lacks.
OPTIONAL MATCH (model:_Model {name: 'recommendations'})
OPTIONAL MATCH (user:User {user_id: $asked.user_id})
CALL () {
  MATCH (track:Track)
  RETURN count(track) AS tracks
}
WITH model.version AS version, model.until AS until, user, tracks
CALL (user) {
  MATCH (user)-[edge:PLAYED|LIKED]->(track)
  WITH track, sum(CASE type(edge) WHEN 'PLAYED' THEN edge.count ELSE 0 END) AS plays,
       count(CASE type(edge) WHEN 'LIKED' THEN 1 END) > 0 AS liked
  ORDER BY liked DESC, plays DESC, track.track_id
  // The strongest are enough to compare by, and bound the work for who has heard everything.
  LIMIT 50
  RETURN collect(track) AS listened
}
CALL (user, version, listened) {
  MATCH (user)-[similar:SIMILAR_USER]->(peer:User)
  WHERE similar.model = version
  WITH similar, peer, listened
  ORDER BY similar.rank
  LIMIT $asked.k
  CALL (peer, listened) {
    MATCH (peer)-[:PLAYED|LIKED]->(track)
    WHERE track IN listened
    RETURN collect(DISTINCT track) AS common
  }
  WITH similar, peer, common, [track IN listened WHERE track IN common] AS strongest
  ORDER BY similar.rank
  RETURN collect({
    user_id: peer.user_id, score: similar.score, shared: size(common),
    tracks: [track IN strongest[..2] | {track_id: track.track_id, title: track.title}]
  }) AS lines
}
RETURN version, until, tracks, lines, size(listened) AS listened, user IS NOT NULL AS user_known
