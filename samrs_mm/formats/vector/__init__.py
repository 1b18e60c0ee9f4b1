"""Files of geographic features: read as boxes on the map, written as GeoPackages."""
