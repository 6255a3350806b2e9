"""S3 transfers: what is at an ``s3://`` address is whole and checked, or not there."""
