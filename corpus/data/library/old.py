print "from another age"
