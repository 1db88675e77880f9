"""What moves data: readers, quarantine, manifest, the pipeline from source to stored audit, the sample county."""
