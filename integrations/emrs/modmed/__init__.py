"""ModMed EMA: asked every five minutes over its FHIR v2 API."""
