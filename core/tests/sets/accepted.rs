//! What is accepted, and what it means: dialects, configuration, numbering.
