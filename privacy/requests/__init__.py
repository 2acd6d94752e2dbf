"""What a person may ask of us (Art. 15 to 21 GDPR): intake, clock, answer, erasure, certificate."""
