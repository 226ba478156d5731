"""An experiment as data: presets, YAML and overrides become one frozen record, or a clear
refusal."""
