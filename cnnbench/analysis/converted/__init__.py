"""Static analysis of converted files, from their operators."""
