# A plan with one partition for all that it reads: the others are counted.
function told() { if (more) printf "%*s(and %d more)\n", indent, "", more; more = 0 }
{ at = match($0, /[^ ]/) - 1 }
/-> .* on messages_/ {
    if (at == indent) { more++; next }
    told(); indent = at; print; next
}
indent && at > indent { if (!more) print; next }
{ told(); indent = 0; print }
END { told() }
