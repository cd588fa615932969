# All images of this project. script/images is the way to build them: it sees to the base image,
# skips what is current, and builds first the shared runner image and then the rest side by side.

variable "BASE_IMAGE" { default = "builder-contracts/base:sid" }
variable "RUNNER_IMAGE" { default = "builder-contracts/runner:sid" }
# The value is kept in builders/base.env.
variable "SOURCE_DATE_EPOCH" { default = "1767225600" }
variable "VERSION" { default = "0" }
# When the package lists were fetched; see builders/common/Dockerfile.
variable "FETCHED" { default = "" }
# Certificate authorities that builds which fetch from PyPI trust; in no image.
variable "CA_BUNDLE" { default = "/etc/ssl/certs/ca-certificates.crt" }

# Digests of what each image is made from: script/images compares them to skip what is current.
variable "SOURCES_RUNNER" { default = "" }
variable "SOURCES_TINYLAND_NIX" { default = "" }
variable "SOURCES_TINYLAND_DOCKER" { default = "" }
variable "SOURCES_TINYLAND_DIND" { default = "" }
variable "SOURCES_SERVICES" { default = "" }
variable "SOURCES_LINUX_XR_BOOT" { default = "" }

function "labels" {
  params = [title, description, base, sources]
  result = {
    "org.opencontainers.image.title"       = title
    "org.opencontainers.image.description" = description
    "org.opencontainers.image.version"     = VERSION
    "org.opencontainers.image.licenses"    = "Apache-2.0"
    "org.opencontainers.image.base.name"   = base
    "dev.builder-contracts.sources"        = sources
  }
}

group "default" {
  targets = ["tinyland-nix", "tinyland-docker", "tinyland-dind", "services", "linux-xr-boot"]
}

target "runner" {
  context  = "builders/common"
  contexts = {
    base  = "docker-image://${BASE_IMAGE}"
    tools = "builders/common"
  }
  args   = { SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH, FETCHED = FETCHED }
  tags   = [RUNNER_IMAGE]
  labels = labels("builder-contracts/runner", "What the reference images of all builder classes share", BASE_IMAGE, SOURCES_RUNNER)
}

# The images below start from the runner *image*, not from its build stage: a layer's digest comes
# out the same only if its parent is known to the engine as an image's layer. For the same reason an
# image adds one layer.
target "_class" {
  contexts = {
    base   = "docker-image://${BASE_IMAGE}"
    runner = "docker-image://${RUNNER_IMAGE}"
    tools  = "builders/common"
  }
  args = { SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH, FETCHED = FETCHED }
}

target "tinyland-nix" {
  inherits = ["_class"]
  context  = "builders/tinyland-nix"
  tags     = ["tinyland-nix:latest"]
  labels   = labels("tinyland-nix", "Reference image of the builder class tinyland-nix: Nix flake builds with a signed binary cache", RUNNER_IMAGE, SOURCES_TINYLAND_NIX)
}

target "tinyland-docker" {
  inherits = ["_class"]
  context  = "builders/tinyland-docker"
  tags     = ["tinyland-docker:latest"]
  labels   = labels("tinyland-docker", "Reference image of the builder class tinyland-docker: general CI, kernel builds and Bazel", RUNNER_IMAGE, SOURCES_TINYLAND_DOCKER)
}

target "tinyland-dind" {
  inherits = ["_class"]
  context  = "builders/tinyland-dind"
  tags     = ["tinyland-dind:latest"]
  labels   = labels("tinyland-dind", "Reference image of the builder class tinyland-dind: building container images with a Docker daemon beside the job", RUNNER_IMAGE, SOURCES_TINYLAND_DIND)
}

# The caches, stores and registries of the embedded environment.
target "services" {
  inherits = ["_class"]
  context  = "builders/services"
  args     = { BASE = BASE_IMAGE }
  secret   = ["id=ca-bundle,src=${CA_BUNDLE}"]
  tags     = ["builder-contracts/services:latest"]
  labels   = labels("builder-contracts/services", "Caches, stores and registries of the embedded environment", BASE_IMAGE, SOURCES_SERVICES)
}

# The emulated PC of the kernel canary; see its Dockerfile for why it is an image of its own.
target "linux-xr-boot" {
  inherits = ["_class"]
  context  = "builders/linux-xr-boot"
  tags     = ["builder-contracts/linux-xr-boot:latest"]
  labels   = labels("builder-contracts/linux-xr-boot", "The emulated PC that the kernel canary is booted in", BASE_IMAGE, SOURCES_LINUX_XR_BOOT)
}
