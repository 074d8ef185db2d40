SELECT 'each revocation has a reason'
WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE revoked_at IS NOT NULL AND revoked_because = '');
