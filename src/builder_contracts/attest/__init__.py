"""Evidence that travels: in-toto statements about an image, their signatures, and the gate that reads them."""
