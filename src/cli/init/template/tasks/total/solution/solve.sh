cat > total.sh <<'END'
sum=0
{
  read -r header
  while IFS=, read -r item amount; do
    sum=$((sum + amount))
  done
} < "$1"
echo "$sum"
END
