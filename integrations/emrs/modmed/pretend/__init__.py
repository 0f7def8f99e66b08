"""A pretend ModMed: resources of nobody real, a firm that holds them, its searches and its day. Pure: time and
chance come in."""
