-- whimbrel:lock-timeout 500ms
-- whimbrel:wait 30m
/* between */ -- whimbrel:no-transaction
-- whimbrel:allow drop-column nobody reads it since 2.3
VACUUM;
