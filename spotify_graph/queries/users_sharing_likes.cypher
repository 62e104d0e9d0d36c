// The users who share most liked tracks with a user.
// key user_id: User — whose liked tracks
// param limit: INTEGER 1..1000 = 10 — how many users at most
MATCH (:User {user_id: $user_id})-[:LIKED]->(:Track)<-[:LIKED]-(other:User)
WITH other, count(*) AS shared_tracks
ORDER BY shared_tracks DESC, other.user_id
LIMIT $limit
RETURN other.user_id AS user_id, shared_tracks, COUNT { (other)-[:LIKED]->() } AS liked_tracks
ORDER BY shared_tracks DESC, user_id
