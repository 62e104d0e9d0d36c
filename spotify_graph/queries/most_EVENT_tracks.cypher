// The tracks that were <evented> most often, by all users.
// scans: every <EVENT> relationship
// param limit: INTEGER 1..1000 = 10 — how many tracks at most
MATCH ()-[edge:<EVENT>]->(track)
WITH track, sum(edge.count) AS <event>s, count(edge) AS users
ORDER BY <event>s DESC, track.track_id
LIMIT $limit
OPTIONAL MATCH (track)-[:BY]->(artist:Artist)
RETURN track.track_id AS track_id, track.title AS title, artist.name AS artist, <event>s, users
ORDER BY <event>s DESC, track_id
