"""The page around the features: header, dialogs, welcome, saved pipelines."""
