// The tracks that were paused most often, by all users.
// scans: every PAUSED relationship
// param limit: INTEGER 1..1000 = 10 — how many tracks at most
MATCH ()-[paused:PAUSED]->(track)
WITH track, sum(paused.count) AS pauses, count(paused) AS users
ORDER BY pauses DESC, track.track_id
LIMIT $limit
OPTIONAL MATCH (track)-[:BY]->(artist:Artist)
RETURN track.track_id AS track_id, track.title AS title, artist.name AS artist, pauses, users
ORDER BY pauses DESC, track_id
