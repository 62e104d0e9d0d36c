// The tracks that a user liked most often.
// key user_id: User — whose likes
// param limit: INTEGER 1..1000 = 10 — how many tracks at most
MATCH (:User {user_id: $user_id})-[liked:LIKED]->(track:Track)
OPTIONAL MATCH (track)-[:BY]->(artist:Artist)
RETURN track.track_id AS track_id, track.title AS title, artist.name AS artist,
       liked.count AS likes, liked.last_ts AS last_liked
ORDER BY likes DESC, last_liked DESC, track_id
LIMIT $limit
