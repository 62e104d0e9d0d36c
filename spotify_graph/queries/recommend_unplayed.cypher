// Tracks that nobody has played yet, by the artists whom the user listens to most: what no model and no popularity knows.
// serves: spotify-graph recommend
// $asked.user_id: for whom
// $asked.k: how many tracks at most
// $asked.genre, $asked.artist: null, or the name of the genre that all tracks are in, of the artist that all are by
// $asked.per_artist: how many tracks of an artist at most; not where $asked.artist is given
MATCH (user:User {user_id: $asked.user_id})-[edge:PLAYED|LIKED]->(own:Track)-[:BY]->(by:Artist)
WHERE $asked.artist IS NULL OR by.name = $asked.artist
WITH user, by, own, sum(edge.count) AS count
ORDER BY count DESC, own.track_id
WITH user, by, sum(count) AS weight, head(collect(own)) AS strongest
ORDER BY weight DESC, by.name
LIMIT 200
CALL (user, by) {
  MATCH (by)<-[:BY]-(track:Track)
  WHERE track.popularity IS NULL AND NOT EXISTS { (user)-[:<EVENTS>]->(track) } AND ($asked.genre IS NULL OR EXISTS { (track)-[:IN_GENRE]->(:Genre {name: $asked.genre}) })
  RETURN track
  LIMIT CASE WHEN $asked.artist IS NULL THEN $asked.per_artist ELSE $asked.k END
}
WITH by, weight, strongest, track
ORDER BY weight DESC, by.name, track.track_id
LIMIT $asked.k
RETURN collect({
  track_id: track.track_id, title: track.title, artist: by.name,
  genres: COLLECT { MATCH (track)-[:IN_GENRE]->(in:Genre) RETURN in.name ORDER BY in.name },
  score: null, popular: false, popularity: null, seeds: [], by_same: strongest.track_id,
  by_same_title: strongest.title, peers: 0, genre_listened: null
}) AS lines
