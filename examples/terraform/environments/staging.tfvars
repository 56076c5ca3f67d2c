region        = "us-east-1"
environment   = "staging"
ecr_image_tag = "v1.0.0"
architecture  = "x86_64"
