SELECT count(id), count(user_id), count(what), count(detail), count(happened_at) FROM account_events;
