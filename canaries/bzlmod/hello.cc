#include <cstdio>

#include "greet.h"

int main() { return std::puts(Greet().c_str()) < 0; }
