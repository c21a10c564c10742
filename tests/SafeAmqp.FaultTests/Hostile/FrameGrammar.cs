using System.Buffers.Binary;
using SafeAmqp.Wire;

namespace SafeAmqp.FaultTests.Hostile;

/// <summary>
/// Makes frames as a broker may send them, and the same with one thing wrong, of which it says what. Everything by
/// seed; nothing is allocated per frame.
/// </summary>
internal sealed class FrameGrammar(int seed)
{
    internal const int MaxFrame = 4096;
    internal const long MaxBody = 1_000_000;

    // The arguments of what a server sends, as in the specification: s short string, S long string, T table, a digit
    // that many bytes.
    private static readonly (ushort Class, ushort Method, string Arguments)[] Methods =
    [
        (60, 60, "s81ss"), (60, 80, "81"), (60, 120, "81"), (60, 50, "2sss"), (60, 71, "81ss4"), (60, 21, "s"),
        (60, 30, "s1"), (60, 31, "s"), (50, 11, "s44"),
        (50, 31, "4"), (50, 41, "4"), (20, 20, "1"), (20, 40, "2s22"), (10, 10, "11TSS"), (10, 20, "S"),
        (10, 30, "242"), (10, 50, "2s22"), (10, 60, "s"),
        (10, 41, "s"), (20, 11, "4"), (40, 11, ""), (85, 11, ""), (10, 61, ""), (60, 11, ""),
    ];

    private readonly Random _random = new(seed);
    private readonly byte[] _bytes = new byte[256 * 1024];
    private int _at;

    internal Random Random => _random;

    internal ReadOnlySpan<byte> Frame => _bytes.AsSpan(0, _at);

    internal Span<byte> Changeable => _bytes.AsSpan(0, _at);

    /// <summary>A frame in which nothing is wrong.</summary>
    internal void MakeRight()
    {
        switch (_random.Next(8))
        {
            case 0 or 1: Method(); break;
            case 2: Begin(3); Noise(_random.Next(64)); End(); break;
            case 3: Begin(8); End(); break;
            default: Header(); break;
        }
    }

    /// <summary>A frame with one thing wrong.</summary>
    internal FrameRule MakeWrong()
    {
        switch (_random.Next(10))
        {
            case 0:
                MakeRight();
                _bytes[_at - 1] ^= (byte)_random.Next(1, 256);
                return FrameRule.FrameEnd;
            case 1:
                MakeRight();
                _bytes[0] = (byte)(_random.Next(2) == 0 ? _random.Next(9, 256) : _random.Next(4, 8));
                if (_bytes[0] == (byte)'A') // the first byte of a protocol header, which is another matter
                    _bytes[0]++;
                return FrameRule.FrameType;
            case 2:
                MakeRight();
                BinaryPrimitives.WriteUInt32BigEndian(
                    _bytes.AsSpan(3), (uint)_random.NextInt64(MaxFrame - 7, uint.MaxValue));
                return FrameRule.FrameSize;
            case 3:
                Begin(2);
                Content(
                    classId: 60,
                    size: FrameFormat.MaxBodySize + _random.NextInt64(1, long.MaxValue - FrameFormat.MaxBodySize),
                    flags: 0);
                End();
                return FrameRule.BodySize;
            case 4:
                Begin(2);
                Content(classId: (ushort)_random.Next(61, 65_536), size: 0, flags: 0);
                End();
                return FrameRule.ContentClass;
            case 5:
                Begin(2);
                Content(60, 0, (ushort)(_random.Next(65_536) | 1));
                Noise(_random.Next(50));
                End();
                return FrameRule.PropertyFlags;
            case 6:
                HeaderWith(() => Nest(_random.Next(65, 200)));
                return FrameRule.TableDepth;
            case 7:
                HeaderWith(() => Entry(() => Byte(UnknownType())));
                return FrameRule.FieldType;
            case 8:
                HeaderWith(() => Entry(() => { Byte((byte)'D'); Byte((byte)_random.Next(29, 256)); Noise(4); }));
                return FrameRule.FieldType;
            default:
                // A length inside the table that reaches beyond it.
                HeaderWith(() => Entry(
                    () => { Byte((byte)"SxFA"[_random.Next(4)]); UInt32((uint)_random.NextInt64(1, uint.MaxValue)); }));
                return FrameRule.FieldLength;
        }
    }

    /// <summary>Changes, takes out or doubles a few bytes anywhere: a verdict is all that can be asked then.</summary>
    internal void Mutate()
    {
        for (int n = _random.Next(1, 5); n > 0 && _at > 1; n--)
        {
            int at = _random.Next(_at);
            switch (_random.Next(6))
            {
                case 0: _bytes[at] ^= (byte)(1 << _random.Next(8)); break;
                case 1: _bytes[at] = (byte)_random.Next(256); break;
                case 2: _bytes[at] = (byte)"SxtBbsuIifldTVDFA"[_random.Next(17)]; break;
                case 3: _bytes[at] = _random.Next(2) == 0 ? (byte)0 : (byte)0xFF; break;
                case 4:
                    int gone = Math.Min(_random.Next(1, 5), _at - at);
                    Buffer.BlockCopy(_bytes, at + gone, _bytes, at, _at - at - gone);
                    _at -= gone;
                    break;
                default:
                    Buffer.BlockCopy(_bytes, at, _bytes, at + 1, _at - at);
                    _at++;
                    break;
            }
        }
    }

    private void Header()
    {
        Begin(2);
        ushort flags = (ushort)(_random.Next(65_536) & ~0b11);
        Content(60, _random.NextInt64(0, MaxBody + 1), flags);
        foreach (char field in "ssT11ssss8ssss")
        {
            if ((flags & 0x8000) != 0)
                Field(field);
            flags <<= 1;
        }
        End();
    }

    private void Method()
    {
        var (classId, method, arguments) = Methods[_random.Next(Methods.Length)];
        Begin(1);
        UInt16(classId);
        UInt16(method);
        foreach (char field in arguments)
            Field(field);
        End();
    }

    private void Field(char field)
    {
        switch (field)
        {
            case 's': ShortText(); break;
            case 'S': LongText(); break;
            case 'T': Table(1); break;
            default: Noise(field - '0'); break;
        }
    }

    private void Content(ushort classId, long size, ushort flags)
    {
        UInt16(classId);
        UInt16(0);
        UInt64((ulong)size);
        UInt16(flags);
    }

    private void HeaderWith(Action table)
    {
        Begin(2);
        Content(60, 0, 0x2000);
        table();
        End();
    }

    private void Entry(Action value)
    {
        int size = Skip();
        ShortText();
        value();
        Close(size);
    }

    private void Nest(int depth)
    {
        Span<int> sizes = stackalloc int[200];
        for (int i = 0; i < depth; i++)
        {
            sizes[i] = Skip();
            if (i == depth - 1)
                break;
            Byte(1);
            Byte((byte)'k');
            Byte((byte)'F');
        }
        for (int i = depth - 1; i >= 0; i--)
            Close(sizes[i]);
    }

    private void Table(int depth)
    {
        int size = Skip();
        for (int n = _random.Next(5); n > 0 && _at < MaxFrame / 2; n--)
        {
            ShortText();
            Value(depth);
        }
        Close(size);
    }

    private void Array(int depth)
    {
        int size = Skip();
        for (int n = _random.Next(4); n > 0 && _at < MaxFrame / 2; n--)
            Value(depth);
        Close(size);
    }

    private void Value(int depth)
    {
        char type = "SxtBbsuIifldTVDFA"[_random.Next(depth > 6 || _at > 1500 ? 15 : 17)];
        Byte((byte)type);
        switch (type)
        {
            case 'S' or 'x': LongText(); break;
            case 't' or 'B' or 'b': Noise(1); break;
            case 's' or 'u': Noise(2); break;
            case 'I' or 'i' or 'f': Noise(4); break;
            case 'l' or 'd' or 'T': Noise(8); break;
            case 'D': Byte((byte)_random.Next(29)); Noise(4); break;
            case 'F': Table(depth + 1); break;
            case 'A': Array(depth + 1); break;
        }
    }

    private byte UnknownType()
    {
        while (true)
        {
            byte type = (byte)_random.Next(256);
            if (!"SxtBbsuIifldTVDFA"u8.Contains(type))
                return type;
        }
    }

    private void Begin(byte type)
    {
        _at = 0;
        Byte(type);
        UInt16((ushort)_random.Next(4));
        Skip();
    }

    private void End()
    {
        BinaryPrimitives.WriteUInt32BigEndian(_bytes.AsSpan(3), (uint)(_at - 7));
        Byte(0xCE);
    }

    private int Skip()
    {
        _at += 4;
        return _at - 4;
    }

    private void Close(int size) => BinaryPrimitives.WriteUInt32BigEndian(_bytes.AsSpan(size), (uint)(_at - size - 4));

    private void ShortText()
    {
        int length = _random.Next(20);
        Byte((byte)length);
        Noise(length);
    }

    private void LongText()
    {
        int length = _random.Next(24);
        UInt32((uint)length);
        Noise(length);
    }

    private void Noise(int count)
    {
        _random.NextBytes(_bytes.AsSpan(_at, count));
        _at += count;
    }

    private void Byte(byte value) => _bytes[_at++] = value;

    private void UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_bytes.AsSpan(_at), value);
        _at += 2;
    }

    private void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_bytes.AsSpan(_at), value);
        _at += 4;
    }

    private void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_bytes.AsSpan(_at), value);
        _at += 8;
    }
}
