// The tracks by an artist, the most played first.
// key artist: Artist — whose tracks
// param limit: INTEGER 1..1000 = 20 — how many tracks at most
MATCH (:Artist {name: $artist})<-[:BY]-(track:Track)
OPTIONAL MATCH (track)<-[played:PLAYED]-()
RETURN track.track_id AS track_id, track.title AS title, track.album AS album, track.duration_ms AS duration_ms,
       sum(played.count) AS plays, count(played) AS listeners
ORDER BY plays DESC, track_id
LIMIT $limit
