output "image_uris" {
  description = "What was deployed, by digest"
  value = {
    parser    = module.image["parser"].image_uri
    generator = module.image["generator"].image_uri
    variants  = module.image["variants"].image_uri
  }
}
