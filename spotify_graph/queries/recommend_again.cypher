// The tracks that a user liked and played most, to hear again: for one who has heard all there is.
// serves: spotify-graph recommend
// $asked.user_id: for whom
// $asked.k: how many tracks at most
// $asked.genre, $asked.artist: null, or the name of the genre that all tracks are in, of the artist that all are by
// $asked.per_artist: how many tracks of an artist at most; not where $asked.artist is given
MATCH (user:User {user_id: $asked.user_id})-[edge:PLAYED|LIKED]->(track:Track)
WHERE ($asked.artist IS NULL OR EXISTS { (track)-[:BY]->(:Artist {name: $asked.artist}) })
  AND ($asked.genre IS NULL OR EXISTS { (track)-[:IN_GENRE]->(:Genre {name: $asked.genre}) })
WITH user, track, sum(CASE type(edge) WHEN 'PLAYED' THEN edge.count ELSE 0 END) AS plays,
     count(CASE type(edge) WHEN 'LIKED' THEN 1 END) > 0 AS liked,
     coalesce(max(CASE type(edge) WHEN 'PLAYED' THEN edge.last_ts END), max(edge.last_ts)) AS last
OPTIONAL MATCH (user)-[skipped:SKIPPED]->(track)
WITH track, plays, liked, last, coalesce(skipped.count, 0) AS skips
WHERE skips <= plays OR liked
OPTIONAL MATCH (track)-[:BY]->(by:Artist)
WITH track, by, plays, liked, last, plays + CASE WHEN liked THEN 2 ELSE 0 END - 0.5 * skips AS weight
ORDER BY weight DESC, last DESC, track.track_id
WITH by, collect({track: track, plays: plays, liked: liked, last: last, weight: weight}) AS of_artist
UNWIND CASE WHEN by IS NULL OR $asked.artist IS NOT NULL THEN of_artist ELSE of_artist[..$asked.per_artist] END AS line
WITH by, line, line.track AS track
ORDER BY line.weight DESC, line.last DESC, track.track_id
LIMIT $asked.k
RETURN collect({
  track_id: track.track_id, title: track.title, artist: by.name,
  genres: COLLECT { MATCH (track)-[:IN_GENRE]->(in:Genre) RETURN in.name ORDER BY in.name },
  score: null, popular: false, popularity: track.popularity, seeds: [], by_same: null, by_same_title: null, peers: 0,
  genre_listened: null, plays: line.plays, liked: line.liked, last: line.last
}) AS lines
