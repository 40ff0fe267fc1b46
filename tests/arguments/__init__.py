"""Every public function refuses bad arguments with the thing, the value and the remedy."""
