echo 'echo 42' > total.sh
