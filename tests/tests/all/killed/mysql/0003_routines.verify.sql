SELECT 1 FROM visits WHERE visitor(1) = 2;
