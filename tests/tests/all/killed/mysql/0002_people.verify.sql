SELECT 1 FROM people WHERE name = 'Ada';
