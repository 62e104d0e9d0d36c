// The tracks related to a track through its listeners, its artist and its genre, with a score and what they share.
// key track_id: Track — what they are related to
// param limit: INTEGER 1..100 = 10 — how many tracks at most
// param listeners: INTEGER 1..1000 = 200 — how many of the track's listeners to ask, those who play it most
// The score is a cosine: the listeners who were asked and play both tracks, over the square root of those who were
// asked times all listeners of the other track. The same artist adds 0.2 and a genre of both 0.1: less than a strong
// bond through listeners, enough to order the tracks that have none.
// A popular track does not explode: of each listener who is asked only the 100 tracks played most count, and of an
// artist's or a genre's tracks only the 100 with most listeners.
MATCH (track:Track {track_id: $track_id})
OPTIONAL MATCH (track)-[:BY]->(artist:Artist)
CALL (track) {
  OPTIONAL MATCH (track)-[:IN_GENRE]->(genre:Genre)
  WITH genre
  ORDER BY genre.name
  RETURN collect(genre) AS genres
}
CALL (track, artist, genres) {
  MATCH (track)<-[played:PLAYED]-(listener:User)
  WITH track, listener
  ORDER BY played.count DESC, listener.user_id
  LIMIT $listeners
  CALL (track, listener) {
    MATCH (listener)-[played:PLAYED]->(other:Track)
    WHERE other <> track
    RETURN other
    ORDER BY played.count DESC, other.track_id
    LIMIT 100
  }
  RETURN other, count(*) AS shared
  UNION ALL
  MATCH (artist)<-[:BY]-(other:Track)
  WHERE other <> track
  RETURN other, 0 AS shared
  ORDER BY COUNT { (other)<-[:PLAYED]-() } DESC, other.track_id
  LIMIT 100
  UNION ALL
  UNWIND genres AS genre
  CALL (track, genre) {
    MATCH (genre)<-[:IN_GENRE]-(other:Track)
    WHERE other <> track
    RETURN other
    ORDER BY COUNT { (other)<-[:PLAYED]-() } DESC, other.track_id
    LIMIT 100
  }
  RETURN other, 0 AS shared
}
WITH track, artist, genres, other, max(shared) AS shared
WITH other, shared, artist,
     CASE WHEN shared > 0 THEN toFloat(COUNT { (track)<-[:PLAYED]-() }) END AS track_listeners,
     CASE WHEN shared > 0 THEN toFloat(COUNT { (other)<-[:PLAYED]-() }) END AS other_listeners,
     EXISTS { (other)-[:BY]->(artist) } AS same_artist,
     [genre IN genres WHERE EXISTS { (other)-[:IN_GENRE]->(genre) } | genre.name] AS same_genres
WITH other, shared, artist, same_artist, same_genres,
     CASE WHEN track_listeners > $listeners THEN toFloat($listeners) ELSE track_listeners END AS asked, other_listeners
WITH other, shared, artist, same_artist, same_genres,
     round(coalesce(shared / sqrt(asked * other_listeners), 0.0)
           + CASE WHEN same_artist THEN 0.2 ELSE 0.0 END
           + CASE WHEN size(same_genres) > 0 THEN 0.1 ELSE 0.0 END, 6) AS score
ORDER BY score DESC, other.track_id
LIMIT $limit
OPTIONAL MATCH (other)-[:BY]->(by:Artist)
RETURN other.track_id AS track_id, other.title AS title, by.name AS artist, score,
       CASE WHEN shared > 0 THEN [toString(shared) + CASE shared WHEN 1 THEN ' listener' ELSE ' listeners' END] ELSE [] END
       + CASE WHEN same_artist THEN ['artist ' + artist.name] ELSE [] END
       + [genre IN same_genres | 'genre ' + genre] AS through
ORDER BY score DESC, track_id
