region        = "us-east-1"
environment   = "dev"
ecr_image_tag = "latest"
architecture  = "x86_64"
