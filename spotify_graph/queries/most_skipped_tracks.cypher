// The tracks that were skipped most often, by all users, and how often they were played.
// scans: every SKIPPED relationship
// param limit: INTEGER 1..1000 = 10 — how many tracks at most
MATCH ()-[skipped:SKIPPED]->(track)
WITH track, sum(skipped.count) AS skips, count(skipped) AS users
ORDER BY skips DESC, track.track_id
LIMIT $limit
OPTIONAL MATCH (track)-[:BY]->(artist:Artist)
OPTIONAL MATCH (track)<-[played:PLAYED]-()
RETURN track.track_id AS track_id, track.title AS title, artist.name AS artist, skips, users, sum(played.count) AS plays
ORDER BY skips DESC, track_id
