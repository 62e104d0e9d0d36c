// The tracks most similar to a track, and what they share.
// serves: spotify-graph similar
// $asked.track_id: what they are similar to
// $asked.k: how many tracks at most
// $asked.per_artist: how many tracks of an artist at most
// The answer is one row, whatever the graph lacks.
OPTIONAL MATCH (model:_Model {name: 'recommendations'})
OPTIONAL MATCH (track:Track {track_id: $asked.track_id})
CALL () {
  MATCH (track:Track)
  RETURN count(track) AS tracks
}
WITH model.version AS version, model.until AS until, track, tracks
CALL (track, version) {
  MATCH (track)-[similar:SIMILAR_TO]->(other)
  WHERE similar.model = version
  OPTIONAL MATCH (other)-[:BY]->(by:Artist)
  WITH track, similar, by
  ORDER BY similar.rank
  WITH track, by, collect(similar) AS of_artist
  UNWIND CASE WHEN by IS NULL THEN of_artist ELSE of_artist[..$asked.per_artist] END AS similar
  WITH track, by, similar, endNode(similar) AS other
  ORDER BY similar.rank
  LIMIT $asked.k
  CALL (track, other) {
    OPTIONAL MATCH (other)-[:IN_GENRE]->(in:Genre)
    WITH in, EXISTS { (track)-[:IN_GENRE]->(in) } AS shared
    ORDER BY in.name
    RETURN collect(in.name) AS genres, collect(CASE WHEN shared THEN in.name END) AS shared_genres
  }
  WITH other, by, genres, shared_genres, similar, EXISTS { (track)-[:BY]->(by) } AS same_artist
  ORDER BY similar.rank
  RETURN collect({
    track_id: other.track_id, title: other.title, artist: by.name, genres: genres, score: similar.score,
    listeners: similar.listeners, same_artist: same_artist, shared_genres: shared_genres
  }) AS lines
}
RETURN version, until, tracks, lines, track IS NOT NULL AS track_known, track.title AS title
