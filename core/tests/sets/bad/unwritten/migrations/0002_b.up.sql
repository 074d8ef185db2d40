-- The next one.

-- whimbrel:todo
