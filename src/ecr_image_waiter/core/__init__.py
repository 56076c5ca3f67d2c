"""The decisions. Pure: no AWS, no clock, no chance, no Powertools."""
