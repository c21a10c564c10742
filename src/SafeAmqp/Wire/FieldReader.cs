using System.Buffers.Binary;
using System.Text;

namespace SafeAmqp.Wire;

/// <summary>Reads the fields of a payload one after the other (AMQP 0-9-1, section 4.2). Every step stays inside the
/// span, and tables are followed to a bounded depth: what does not fit is refused with a
/// <see cref="FrameViolationException"/>.</summary>
internal ref struct FieldReader(ReadOnlySpan<byte> rest)
{
    /// <summary>Deeper than any use seen in headers (dead-lettering needs 3), shallow enough for the smallest stack:
    /// this reader and RabbitMQ.Client's take one call per level.</summary>
    internal const int MaxDepth = 64;

    // A System.Decimal's scale ends at 28.
    private const int MaxDecimalScale = 28;

    private static readonly UTF8Encoding StrictUtf8 =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = rest;

    internal readonly bool IsAtEnd => _rest.IsEmpty;

    /// <summary>What has not been read.</summary>
    internal readonly ReadOnlySpan<byte> Rest => _rest;

    internal byte Octet() => Take(1)[0];

    internal ushort Short() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    internal uint Long() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    internal ulong LongLong() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    internal ReadOnlySpan<byte> ShortBytes() => Take(Octet());

    internal string ShortString() => Encoding.UTF8.GetString(ShortBytes());

    internal ReadOnlySpan<byte> LongBytes() => Take(Long());

    internal void Skip(int count) => Take(count);

    /// <summary>Reads all that is left as the entries of a table into a dictionary, except for one name.</summary>
    internal Dictionary<string, object?> Entries(ReadOnlySpan<byte> except = default) => Entries(except, 1);

    /// <summary>Checks all that is left as the entries of a table without reading them.</summary>
    internal void SkipEntries()
    {
        while (!IsAtEnd)
        {
            ShortBytes();
            SkipValue();
        }
    }

    /// <summary>Looks for a value among all that is left as the entries of a table. The last of a name
    /// counts.</summary>
    internal bool TryFind(string name, out object? value)
    {
        FieldReader found = default;
        bool isFound = false;
        while (!IsAtEnd)
        {
            bool isWanted = Is(ShortBytes(), name);
            FieldReader here = this;
            SkipValue();
            isFound |= isWanted;
            found = isWanted ? here : found;
        }
        value = isFound ? found.Value(1) : null;
        return isFound;
    }

    /// <summary>Checks a value without reading it.</summary>
    internal void SkipValue() => SkipValue(1, forClient: false);

    /// <summary>Checks a table without reading its values, for RabbitMQ.Client, which reads it: that takes neither the
    /// type L nor a decimal that .NET has not.</summary>
    internal void SkipTableForClient() => SkipTable(1, forClient: true);

    /// <summary>Looks for a 32-bit integer among all that is left as the entries of a table, up to where it
    /// stands.</summary>
    internal int? FindInt32(ReadOnlySpan<byte> name)
    {
        while (!IsAtEnd)
        {
            bool isWanted = ShortBytes().SequenceEqual(name);
            if (isWanted && _rest is [(byte)'I', ..])
            {
                Skip(1);
                return (int)Long();
            }
            SkipValue();
        }
        return null;
    }

    /// <summary>A time in seconds since 1970; null where no <see cref="DateTimeOffset"/> can hold it.</summary>
    internal DateTimeOffset? Time() => TimeOf((long)LongLong());

    private Dictionary<string, object?> Entries(ReadOnlySpan<byte> except, int depth)
    {
        var table = new Dictionary<string, object?>();
        while (!IsAtEnd)
        {
            ReadOnlySpan<byte> name = ShortBytes();
            object? value = Value(depth);
            if (except.IsEmpty || !name.SequenceEqual(except))
                table[Encoding.UTF8.GetString(name)] = value;
        }
        return table;
    }

    // Most names are ASCII.
    private static bool Is(ReadOnlySpan<byte> bytes, string name)
        => Ascii.Equals(bytes, name) || (!Ascii.IsValid(bytes) && Encoding.UTF8.GetString(bytes) == name);

    private List<object?> Array(int depth)
    {
        var list = new List<object?>();
        for (FieldReader inside = Enter(depth); !inside.IsAtEnd;)
            list.Add(inside.Value(depth));
        return list;
    }

    private void SkipTable(int depth, bool forClient)
    {
        for (FieldReader inside = Enter(depth); !inside.IsAtEnd;)
        {
            inside.ShortBytes();
            inside.SkipValue(depth, forClient);
        }
    }

    private void SkipArray(int depth, bool forClient)
    {
        for (FieldReader inside = Enter(depth); !inside.IsAtEnd;)
            inside.SkipValue(depth, forClient);
    }

    private FieldReader Enter(int depth)
    {
        if (depth > MaxDepth)
            throw new FrameViolationException(FrameRule.TableDepth,
                $"The peer nested tables more than {MaxDepth} deep.");
        return new FieldReader(LongBytes());
    }

    // RabbitMQ's types (its errata to AMQP 0-9-1, section 4.2.1), and L, which it takes and py-amqp writes.
    private object? Value(int depth)
    {
        byte type = Octet();
        return type switch
        {
            (byte)'V' => null,
            (byte)'S' => Text(LongBytes()),
            (byte)'x' => LongBytes().ToArray(),
            (byte)'t' => Octet() != 0,
            (byte)'B' => Octet(),
            (byte)'b' => (sbyte)Octet(),
            (byte)'s' => (short)Short(),
            (byte)'u' => Short(),
            (byte)'I' => (int)Long(),
            (byte)'i' => Long(),
            (byte)'l' or (byte)'L' => (long)LongLong(),
            (byte)'f' => BitConverter.UInt32BitsToSingle(Long()),
            (byte)'d' => BitConverter.UInt64BitsToDouble(LongLong()),
            (byte)'D' => Decimal(),
            (byte)'T' => TimeOrNumber((long)LongLong()),
            (byte)'F' => Enter(depth + 1).Entries(except: default, depth + 1),
            (byte)'A' => Array(depth + 1),
            _ => throw UnknownType(type),
        };
    }

    // For what RabbitMQ.Client reads after that: it knows neither L nor decimals of more places than .NET's.
    private void SkipValue(int depth, bool forClient)
    {
        byte type = Octet();
        switch (type)
        {
            case (byte)'V':
                break;
            case (byte)'S' or (byte)'x':
                LongBytes();
                break;
            case (byte)'t' or (byte)'B' or (byte)'b':
                Skip(1);
                break;
            case (byte)'s' or (byte)'u':
                Skip(2);
                break;
            case (byte)'I' or (byte)'i' or (byte)'f':
                Skip(4);
                break;
            case (byte)'l' or (byte)'d' or (byte)'T':
            case (byte)'L' when !forClient:
                Skip(8);
                break;
            case (byte)'D' when !forClient || _rest is [<= MaxDecimalScale, ..]:
                Skip(5);
                break;
            case (byte)'F':
                SkipTable(depth + 1, forClient);
                break;
            case (byte)'A':
                SkipArray(depth + 1, forClient);
                break;
            default:
                throw UnknownType(type);
        }
    }

    // The digits are a two's complement (AMQP 0-9-1, section 4.2.5.6).
    private object? Decimal()
    {
        byte scale = Octet();
        int digits = (int)Long();
        if (scale <= MaxDecimalScale)
            return new decimal((int)Math.Abs((long)digits), 0, 0, digits < 0, scale);
        double nearly = digits * Math.Pow(10, -scale);
        return nearly;
    }

    // The number where no time can hold it.
    private static object TimeOrNumber(long unixSeconds) => TimeOf(unixSeconds) is { } time ? time : unixSeconds;

    private static DateTimeOffset? TimeOf(long unixSeconds)
        => unixSeconds >= DateTimeOffset.MinValue.ToUnixTimeSeconds()
            && unixSeconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds(unixSeconds)
            : null;

    // Long strings carry text or bytes; the protocol does not say which (AMQP 0-9-1, section 4.2.5.3).
    private static object Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return bytes.ToArray();
        }
    }

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count > _rest.Length)
        {
            throw new FrameViolationException(FrameRule.FieldLength,
                $"The peer sent a field of {count} bytes where {_rest.Length} are left.");
        }
        ReadOnlySpan<byte> taken = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return taken;
    }

    private static FrameViolationException UnknownType(byte type)
        => new(FrameRule.FieldType, $"The peer sent a table value of the unknown type 0x{type:X2}.");
}
