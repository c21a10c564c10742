namespace SafeAmqp.Testing.Protocol;

/// <summary>Writes field tables with the types they were read with.</summary>
internal static class FieldTableWriter
{
    public static void WriteEntries(MethodWriter writer, IReadOnlyDictionary<string, object?> table)
    {
        foreach ((string name, object? value) in table)
        {
            writer.ShortString(name);
            WriteValue(writer, value);
        }
    }

    /// <summary>RabbitMQ's name of a value's type, as in its reply texts.</summary>
    public static string TypeName(object? value) => value switch
    {
        byte[] => "longstr",
        int => "signedint",
        uint => "unsignedint",
        long => "long",
        short => "short",
        ushort => "unsignedshort",
        sbyte => "byte",
        byte => "unsignedbyte",
        bool => "bool",
        double => "double",
        float => "float",
        TimestampField => "timestamp",
        DecimalField => "decimal",
        ByteArray => "binary",
        List<object?> or NestedField { Type: (byte)'A' } => "array",
        null => "void",
        _ => "table",
    };

    private static void WriteValue(MethodWriter writer, object? value)
    {
        switch (value)
        {
            case null: writer.Octet((byte)'V'); break;
            case string v: writer.Octet((byte)'S').LongString(v); break;
            case byte[] v: writer.Octet((byte)'S').LongBytes(v); break;
            case ByteArray v: writer.Octet((byte)'x').LongBytes(v.Bytes); break;
            case bool v: writer.Octet((byte)'t').Flag(v); break;
            case int v: writer.Octet((byte)'I').Long((uint)v); break;
            case uint v: writer.Octet((byte)'i').Long(v); break;
            case long v: writer.Octet((byte)'l').LongLong((ulong)v); break;
            case short v: writer.Octet((byte)'s').Short((ushort)v); break;
            case ushort v: writer.Octet((byte)'u').Short(v); break;
            case sbyte v: writer.Octet((byte)'b').Octet((byte)v); break;
            case byte v: writer.Octet((byte)'B').Octet(v); break;
            case double v: writer.Octet((byte)'d').LongLong(BitConverter.DoubleToUInt64Bits(v)); break;
            case float v: writer.Octet((byte)'f').Long(BitConverter.SingleToUInt32Bits(v)); break;
            case TimestampField v: writer.Octet((byte)'T').LongLong(v.Seconds); break;
            case DecimalField v: writer.Octet((byte)'D').Octet(v.Scale).Long((uint)v.Value); break;
            case NestedField v: writer.Octet(v.Type).LongBytes(v.Bytes); break;
            case IReadOnlyDictionary<string, object?> v: writer.Octet((byte)'F').Table(v); break;
            case List<object?> v:
                writer.Octet((byte)'A');
                int at = writer.Mark();
                writer.Long(0);
                foreach (object? item in v)
                    WriteValue(writer, item);
                writer.PatchSize(at);
                break;
            default: throw new InvalidOperationException($"No field type for {value.GetType()}.");
        }
    }
}
