-- Found also in an empty table: an aggregate always returns a row.
SELECT count(id), count(email), count(password_hash), count(is_admin), count(created_at) FROM users;
