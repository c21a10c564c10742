using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace SafeAmqp.Broker;

/// <summary>Reads the fields of a payload one after the other (AMQP 0-9-1, section 4.2). The guard has seen to it that they lie inside.</summary>
internal ref struct FieldReader(ReadOnlySpan<byte> rest)
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = rest;

    internal readonly bool IsAtEnd => _rest.IsEmpty;

    internal byte Octet() => Take(1)[0];

    internal ushort Short() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    internal uint Long() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    internal ulong LongLong() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    internal ReadOnlySpan<byte> ShortBytes() => Take(Octet());

    internal string ShortString() => Encoding.UTF8.GetString(ShortBytes());

    /// <summary>Reads a table into a dictionary, but for one name.</summary>
    internal Dictionary<string, object?> Table(string? except = null)
    {
        var table = new Dictionary<string, object?>();
        for (var inside = new FieldReader(LongBytes()); !inside.IsAtEnd;)
        {
            string name = inside.ShortString();
            object? value = inside.Value();
            if (name != except)
                table[name] = value;
        }
        return table;
    }

    /// <summary>Looks for a 32-bit integer in a table.</summary>
    internal int? FindInt32(ReadOnlySpan<byte> name)
    {
        for (var inside = new FieldReader(LongBytes()); !inside.IsAtEnd;)
        {
            bool found = inside.ShortBytes().SequenceEqual(name);
            if (inside.Value() is int value && found)
                return value;
        }
        return null;
    }

    private object? Value() => Octet() switch
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
        (byte)'l' => (long)LongLong(),
        (byte)'f' => BitConverter.UInt32BitsToSingle(Long()),
        (byte)'d' => BitConverter.UInt64BitsToDouble(LongLong()),
        (byte)'D' => Decimal(Octet(), Long()),
        (byte)'T' => Time((long)LongLong()),
        (byte)'F' => Table(),
        _ => Array(), // the guard lets no other type pass
    };

    private List<object?> Array()
    {
        var list = new List<object?>();
        for (var inside = new FieldReader(LongBytes()); !inside.IsAtEnd;)
            list.Add(inside.Value());
        return list;
    }

    private static decimal Decimal(byte scale, uint digits) => new((int)(digits & 0x7FFF_FFFF), 0, 0, (digits & 0x8000_0000) != 0, scale);

    /// <summary>A time, or the number where it is none that can be told.</summary>
    private static object Time(long unixSeconds) => TimeOf(unixSeconds) is { } time ? time : unixSeconds;

    internal static DateTimeOffset? TimeOf(long unixSeconds)
        => unixSeconds >= DateTimeOffset.MinValue.ToUnixTimeSeconds() && unixSeconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds(unixSeconds)
            : null;

    // Long strings carry text or bytes, the protocol does not tell which (AMQP 0-9-1, section 4.2.5.3).
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

    private ReadOnlySpan<byte> LongBytes() => Take((int)Long());

    private ReadOnlySpan<byte> Take(int count)
    {
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
