# All builder images, built side by side: docker buildx bake -f builders/docker-bake.hcl
# script/images is the way to call it: it sees to the base image, and to what is already current.

variable "BASE_IMAGE" { default = "builder-contracts/base:sid" }
# Kept in builders/base.env.
variable "SOURCE_DATE_EPOCH" { default = "1767225600" }
variable "VERSION" { default = "0" }

# Digests of what each image is made from: script/images compares them to skip what is current.
variable "SOURCES_NIX" { default = "" }
variable "SOURCES_DOCKER" { default = "" }
variable "SOURCES_DIND" { default = "" }
variable "SOURCES_SERVICES" { default = "" }

group "default" {
  targets = ["tinyland-nix", "tinyland-docker", "tinyland-dind"]
}

target "_reproducible" {
  args = { SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH }
}

target "_on_base" {
  inherits = ["_reproducible"]
  contexts = {
    base  = "docker-image://${BASE_IMAGE}"
    tools = "builders/common"
  }
}

target "archive" {
  inherits   = ["_on_base"]
  context    = "builders/common"
  target     = "archive"
  # The lists are asked for anew in every build; where they have not changed, nothing after them is
  # built again.
  no-cache-filter = ["archive"]
  output     = ["type=cacheonly"]
}

target "runner" {
  inherits = ["_on_base"]
  context  = "builders/common"
  target   = "runner"
  output   = ["type=cacheonly"]
}

target "_image" {
  inherits = ["_reproducible"]
  contexts = {
    runner  = "target:runner"
    archive = "target:archive"
    tools   = "builders/common"
  }
}

function "labels" {
  params = [title, description, sources]
  result = {
    "org.opencontainers.image.title"       = title
    "org.opencontainers.image.description" = description
    "org.opencontainers.image.version"     = VERSION
    "org.opencontainers.image.licenses"    = "Apache-2.0"
    "org.opencontainers.image.base.name"   = BASE_IMAGE
    "builder-contracts.sources"            = sources
  }
}

target "tinyland-nix" {
  inherits = ["_image"]
  context  = "builders/tinyland-nix"
  tags     = ["tinyland-nix:latest"]
  labels   = labels("tinyland-nix", "Reference image of the builder class tinyland-nix: Nix flake builds with a signed binary cache", SOURCES_NIX)
}

target "tinyland-docker" {
  inherits = ["_image"]
  context  = "builders/tinyland-docker"
  tags     = ["tinyland-docker:latest"]
  labels   = labels("tinyland-docker", "Reference image of the builder class tinyland-docker: general CI, kernel builds and Bazel", SOURCES_DOCKER)
}

target "tinyland-dind" {
  inherits = ["_image"]
  context  = "builders/tinyland-dind"
  tags     = ["tinyland-dind:latest"]
  labels   = labels("tinyland-dind", "Reference image of the builder class tinyland-dind: building container images with a Docker daemon beside the job", SOURCES_DIND)
}

# The caches, stores and registries of the embedded environment.
target "services" {
  inherits = ["_image"]
  contexts = { base = "docker-image://${BASE_IMAGE}" }
  context  = "builders/services"
  tags     = ["builder-contracts/services:latest"]
  labels   = labels("builder-contracts/services", "Caches, stores and registries of the embedded environment", SOURCES_SERVICES)
}
