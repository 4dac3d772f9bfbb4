"""From INI text to Settings, or to every problem at once, pure."""
