// The tracks recommended to a user, and what in the graph speaks for each.
// serves: spotify-graph recommend
// $asked.user_id: for whom; where the graph lacks them, popular tracks are all there is to serve
// $asked.k: how many tracks at most
// $asked.genre, $asked.artist: null, or the name of the genre that all tracks are in, of the artist that all are by
// $asked.heard, $asked.disliked: whether tracks that the user has heard, and those skipped more often than played, stay in
// $asked.per_artist: how many tracks of an artist at most; not where $asked.artist is given
// $asked.candidates: null, or a list of [track_id, score], best first, in place of the user's RECOMMENDED relationships
// $asked.as_of: null, or a time, which has what the user first did at that time or later left out of account; then nothing
//   is filled up, for a track's popularity knows what came later
// The answer is one row, whatever the graph lacks.
OPTIONAL MATCH (model:_Model {name: 'recommendations'})
OPTIONAL MATCH (user:User {user_id: $asked.user_id})
OPTIONAL MATCH (genre:Genre {name: $asked.genre})
OPTIONAL MATCH (artist:Artist {name: $asked.artist})
CALL () {
  MATCH (track:Track)
  RETURN count(track) AS tracks
}
WITH model.version AS version, model.until AS until, user, genre, artist, tracks

// What the user met, and what is recommended, in one pass: a user has few relationships, where a track may have many.
CALL (user, version) {
  CALL (user, version) {
    MATCH (user)-[edge:PLAYED]->(track)
    WHERE $asked.as_of IS NULL OR edge.first_ts < $asked.as_of
    RETURN track, true AS heard, edge.count AS plays, 0 AS skips, 0 AS likes, null AS rank, null AS score
    UNION ALL
    MATCH (user)-[edge:SKIPPED]->(track)
    WHERE $asked.as_of IS NULL OR edge.first_ts < $asked.as_of
    RETURN track, null AS heard, 0 AS plays, edge.count AS skips, 0 AS likes, null AS rank, null AS score
    UNION ALL
    MATCH (user)-[edge:LIKED]->(track)
    WHERE $asked.as_of IS NULL OR edge.first_ts < $asked.as_of
    RETURN track, true AS heard, 0 AS plays, 0 AS skips, edge.count AS likes, null AS rank, null AS score
    UNION ALL
    MATCH (user)-[edge:<OTHER EVENTS>]->(track)
    WHERE $asked.as_of IS NULL OR edge.first_ts < $asked.as_of
    RETURN track, true AS heard, 0 AS plays, 0 AS skips, 0 AS likes, null AS rank, null AS score
    UNION ALL
    MATCH (user)-[edge:RECOMMENDED]->(track)
    WHERE $asked.candidates IS NULL AND edge.model = version
    RETURN track, null AS heard, 0 AS plays, 0 AS skips, 0 AS likes, edge.rank AS rank, edge.score AS score
    UNION ALL
    UNWIND range(1, coalesce(size($asked.candidates), 0)) AS rank
    MATCH (track:Track {track_id: $asked.candidates[rank - 1][0]})
    RETURN track, null AS heard, 0 AS plays, 0 AS skips, 0 AS likes, rank, $asked.candidates[rank - 1][1] AS score
  }
  WITH track, count(heard) > 0 AS heard, sum(plays) AS plays, sum(skips) AS skips, sum(likes) AS likes,
       min(rank) AS rank, max(score) AS score
  WITH track, heard, plays, skips > plays AS disliked, likes > 0 AS liked, rank, score
  WITH track, rank, score, (heard AND NOT $asked.heard) OR (disliked AND NOT $asked.disliked) AS left_out,
       liked AND NOT disliked AS liked, (liked OR plays > 0) AND NOT disliked AS listened, plays
  ORDER BY liked DESC, plays DESC
  RETURN count(rank) AS recommended,
         collect(CASE WHEN rank IS NOT NULL AND NOT left_out THEN {track: track, rank: rank, score: score} END) AS fitting,
         collect(CASE WHEN left_out THEN track END) AS left_out,
         // The strongest are enough to give reasons by, and bound the work for who has heard everything.
         collect(CASE WHEN liked THEN track END)[..50] AS liked,
         collect(CASE WHEN listened THEN track END)[..50] AS listened
}

// The first k, with the first few of an artist.
CALL (fitting, genre, artist) {
  UNWIND fitting AS line
  WITH line, line.track AS track, genre, artist
  WHERE ($asked.genre IS NULL OR EXISTS { (track)-[:IN_GENRE]->(genre) })
    AND ($asked.artist IS NULL OR EXISTS { (track)-[:BY]->(artist) })
  OPTIONAL MATCH (track)-[:BY]->(by:Artist)
  WITH line, by
  ORDER BY line.rank
  WITH by, collect(line) AS of_artist
  UNWIND CASE WHEN by IS NULL OR $asked.artist IS NOT NULL THEN of_artist ELSE of_artist[..$asked.per_artist] END AS line
  WITH line, by
  ORDER BY line.rank
  LIMIT $asked.k
  RETURN collect({track: line.track, by: by, score: line.score}) AS chosen
}

// Where those are too few, popular tracks fill up. An artist's first few are counted over both.
CALL (chosen, left_out, genre, artist) {
  WITH *
  WHERE size(chosen) < $asked.k AND $asked.as_of IS NULL
  WITH chosen, genre, artist, left_out + [line IN chosen | line.track] AS others
  CALL (others, genre, artist) {
    CALL (others, genre, artist) {
      MATCH (track:Track)
      WHERE track.popularity IS NOT NULL AND NOT track IN others
      RETURN track
      ORDER BY track.popularity DESC, track.track_id
      // A limit of none keeps this from being asked, where a filter would be applied to every track.
      LIMIT CASE WHEN $asked.genre IS NULL AND $asked.artist IS NULL THEN 20 * $asked.k ELSE 0 END
      UNION ALL
      MATCH (genre)<-[:IN_GENRE]-(track)
      WHERE $asked.artist IS NULL AND track.popularity IS NOT NULL AND NOT track IN others
      RETURN track
      ORDER BY track.popularity DESC, track.track_id
      LIMIT 20 * $asked.k
      UNION ALL
      MATCH (artist)<-[:BY]-(track)
      WHERE track.popularity IS NOT NULL AND NOT track IN others
        AND ($asked.genre IS NULL OR EXISTS { (track)-[:IN_GENRE]->(genre) })
      RETURN track
      ORDER BY track.popularity DESC, track.track_id
      LIMIT 20 * $asked.k
    }
    OPTIONAL MATCH (track)-[:BY]->(by:Artist)
    WITH track, by
    ORDER BY track.popularity DESC, track.track_id
    RETURN collect({track: track, by: by, popular: true}) AS popular
  }
  WITH chosen + popular AS lines
  UNWIND range(0, size(lines) - 1) AS place
  WITH lines[place].by AS by, collect({place: place, line: lines[place]}) AS of_artist
  UNWIND CASE WHEN by IS NULL OR $asked.artist IS NOT NULL THEN of_artist ELSE of_artist[..$asked.per_artist] END AS placed
  WITH placed
  ORDER BY placed.place
  LIMIT $asked.k
  RETURN collect(placed.line) AS filled
}
WITH *, CASE WHEN size(chosen) < $asked.k AND $asked.as_of IS NULL THEN filled ELSE chosen END AS served

// What speaks for them: paths from the served tracks, and they are few, to what the user likes, plays and shares.
CALL (served, listened) {
  WITH listened, [line IN served WHERE line.by IS NOT NULL | line.by] AS artists
  UNWIND range(0, size(listened) - 1) AS place
  WITH listened, artists, place, listened[place] AS track
  MATCH (track)-[:BY]->(by)
  WHERE by IN artists
  WITH listened, by, min(place) AS place
  RETURN collect({by: by, track: listened[place]}) AS of_artists
}
CALL (listened) {
  UNWIND listened AS track
  MATCH (track)-[:IN_GENRE]->(in)
  RETURN collect(DISTINCT in) AS genres
}
CALL (user, version, served) {
  WITH user, version, [line IN served | line.track] AS tracks
  MATCH (user)-[similar:SIMILAR_USER]->(peer)
  // The likes of more users would cost more than all the rest.
  WHERE similar.rank <= 20 AND similar.model = version
  MATCH (peer)-[:LIKED]->(track)
  WHERE track IN tracks
  WITH track, count(peer) AS peers
  RETURN collect({track: track, peers: peers}) AS liked_by
}
CALL (version, served, liked, listened, of_artists, genres, liked_by) {
  UNWIND range(0, size(served) - 1) AS place
  WITH *, served[place] AS line
  WITH *, line.track AS track
  CALL (track, version, liked, listened) {
    MATCH (track)-[similar:SIMILAR_TO]->(seed)
    WHERE seed IN listened
    WITH version, seed, similar, seed IN liked AS likes
    WHERE similar.model = version
    ORDER BY likes DESC, similar.rank
    LIMIT 2
    RETURN collect({track_id: seed.track_id, title: seed.title, liked: likes, listeners: similar.listeners}) AS seeds
  }
  CALL (track) {
    OPTIONAL MATCH (track)-[:IN_GENRE]->(in:Genre)
    WITH in
    ORDER BY in.name
    RETURN collect(in) AS its_genres
  }
  WITH line, track, seeds, its_genres, place,
       head([in IN its_genres WHERE in IN genres | in.name]) AS genre_listened,
       head([other IN of_artists WHERE other.by = line.by | other.track]) AS by_same,
       head([other IN liked_by WHERE other.track = track | other.peers]) AS peers
  ORDER BY place
  RETURN collect({
    track_id: track.track_id, title: track.title, artist: line.by.name, genres: [in IN its_genres | in.name],
    score: line.score, popular: line.popular, popularity: track.popularity,
    seeds: seeds, by_same: by_same.track_id, by_same_title: by_same.title, peers: peers, genre_listened: genre_listened
  }) AS lines
}
RETURN version, until, tracks, recommended, lines, user IS NOT NULL AS user_known, genre IS NOT NULL AS genre_known,
       artist IS NOT NULL AS artist_known
