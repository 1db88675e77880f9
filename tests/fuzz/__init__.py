"""Random mutations of valid inputs, for every reader, the city file, the query strings and the callbacks: `./run fuzz`."""
