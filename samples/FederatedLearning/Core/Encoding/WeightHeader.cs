using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.Encoding;

/// <summary>
/// The head of encoded weights: magic, version, the tensors' names, types and shapes. All numbers are little-endian.
/// </summary>
internal static class WeightHeader
{
    /// <summary>The most tensors, dimensions of one, and bytes of a name.</summary>
    public const int MaxTensors = 1024, MaxRank = 8, MaxName = 255;

    private const byte Version = 1, Float32 = 1;
    private const int FixedLength = 12, Alignment = 12;

    // What claims more values than a message has room for is refused before anything is allocated.
    private const long MaxValues = MessageLimit.WeightBytes / sizeof(float);
    private const int MaxHeader = FixedLength + MaxTensors * (4 + MaxName + 4 * MaxRank) + Alignment;

    private static ReadOnlySpan<byte> Magic => "FLTW"u8;

    public static int Length(IReadOnlyList<TensorShape> layout)
    {
        int length = FixedLength
            + layout.Sum(tensor => 4 + System.Text.Encoding.UTF8.GetByteCount(tensor.Name) + 4 * tensor.Shape.Count);
        return (length + Alignment - 1) / Alignment * Alignment;
    }

    public static byte[] Write(IReadOnlyList<TensorShape> layout)
    {
        if (layout.Count > MaxTensors) throw new ArgumentException($"More than {MaxTensors} tensors.", nameof(layout));
        byte[] header = new byte[Length(layout)];
        Magic.CopyTo(header);
        header[4] = Version;
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(6), (ushort)layout.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), header.Length);
        int at = FixedLength;
        foreach (var tensor in layout)
        {
            byte[] name = System.Text.Encoding.UTF8.GetBytes(tensor.Name);
            if (name.Length > MaxName || tensor.Shape.Count > MaxRank)
                throw new ArgumentException(
                    $"{tensor}: the name is too long, or there are too many dimensions.", nameof(layout));
            header[at] = Float32;
            header[at + 1] = (byte)tensor.Shape.Count;
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(at + 2), (ushort)name.Length);
            name.CopyTo(header, at + 4);
            at += 4 + name.Length;
            foreach (int dimension in tensor.Shape)
            {
                BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(at), dimension);
                at += 4;
            }
        }
        return header;
    }

    /// <summary>Reads the header from the beginning of the text.</summary>
    /// <returns>The tensors, how many values they have, and how many characters of the text the header takes.</returns>
    public static (IReadOnlyList<TensorShape> Layout, long Count, int TextLength) Read(ReadOnlySpan<byte> text)
    {
        Span<byte> start = stackalloc byte[FixedLength];
        if (text.Length < FixedLength / 3 * 4 || !Decode(text[..(FixedLength / 3 * 4)], start))
            throw Refuse(DescribeOther(text));
        if (!start[..4].SequenceEqual(Magic)) throw Refuse(DescribeOther(text));
        int length = LengthOf(start);
        int textLength = length / 3 * 4;
        if (text.Length < textLength) throw Refuse("the text ends within the header");
        byte[] header = new byte[length];
        if (!Decode(text[..textLength], header)) throw Refuse("the header is not base64");
        var (layout, count) = ReadTensors(header, BinaryPrimitives.ReadUInt16LittleEndian(start[6..]));
        return (layout, count, textLength);
    }

    /// <summary>Reads the header from the beginning of the bytes, as they are where they are not base64.</summary>
    /// <returns>The tensors, how many values they have, and how many bytes the header takes.</returns>
    public static (IReadOnlyList<TensorShape> Layout, long Count, int Length) ReadBytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < FixedLength) throw Refuse(NotThis);
        int length = LengthOf(bytes);
        if (bytes.Length < length) throw Refuse("the bytes end within the header");
        var (layout, count) = ReadTensors(bytes[..length], BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]));
        return (layout, count, length);
    }

    private static int LengthOf(ReadOnlySpan<byte> start)
    {
        if (!start[..4].SequenceEqual(Magic))
            throw Refuse(start[0] == 0x80 ? Pickle : NotThis);
        if (start[4] != Version || start[5] != 0)
            throw Refuse($"version {start[4]}.{start[5]} is not known here; version {Version}.0 is");
        int length = BinaryPrimitives.ReadInt32LittleEndian(start[8..]);
        if (length < FixedLength || length > MaxHeader || length % Alignment != 0)
            throw Refuse($"a header of {length} bytes cannot be");
        return length;
    }

    private static (IReadOnlyList<TensorShape> Layout, long Count) ReadTensors(ReadOnlySpan<byte> header, int tensors)
    {
        if (tensors is 0 or > MaxTensors) throw Refuse($"{tensors} tensors cannot be");
        var layout = new TensorShape[tensors];
        var rest = header[FixedLength..];
        long total = 0L;
        for (int i = 0; i < tensors; i++)
        {
            layout[i] = ReadTensor(ref rest, out long count);
            total += count;
            if (total > MaxValues) throw Refuse($"more than {MaxValues} values cannot be");
        }
        if (rest.Length >= Alignment || rest.ContainsAnyExcept((byte)0))
            throw Refuse("the header is longer than its tensors");
        return (layout, total);
    }

    private static TensorShape ReadTensor(ref ReadOnlySpan<byte> rest, out long count)
    {
        if (rest.Length < 4) throw Refuse("the header ends within a tensor");
        if (rest[0] != Float32) throw Refuse($"element type {rest[0]} is not known here; {Float32} (float32) is");
        int rank = rest[1], nameLength = BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]);
        if (rank > MaxRank || nameLength > MaxName)
            throw Refuse($"{rank} dimensions with a name of {nameLength} bytes cannot be");
        if (rest.Length < 4 + nameLength + 4 * rank) throw Refuse("the header ends within a tensor");
        string name = System.Text.Encoding.UTF8.GetString(rest.Slice(4, nameLength));
        rest = rest[(4 + nameLength)..];
        int[] shape = new int[rank];
        count = 1;
        for (int d = 0; d < rank; d++)
        {
            shape[d] = BinaryPrimitives.ReadInt32LittleEndian(rest);
            rest = rest[4..];
            if (shape[d] < 1 || shape[d] > MaxValues || (count *= shape[d]) > MaxValues)
                throw Refuse("a dimension is out of range");
        }
        return new TensorShape(name, shape);
    }

    private static bool Decode(ReadOnlySpan<byte> text, Span<byte> bytes)
        => Base64.DecodeFromUtf8(text, bytes, out int consumed, out int written, isFinalBlock: false)
            == OperationStatus.Done
            && consumed == text.Length && written == bytes.Length;

    // A pickle begins with 0x80 and its protocol's number, 2 to 5; in base64 "gAI" … "gAU". It is named, never opened.
    private static string DescribeOther(ReadOnlySpan<byte> text)
        => text.Length > 2 && text[0] == 'g' && text[1] == 'A' && text[2] is >= (byte)'I' and <= (byte)'V'
            ? Pickle
            : NotThis;

    private const string Pickle =
        "this is a Python pickle, which is never loaded; send the encoding that begins with FLTW (see ENCODING.md)";
    private const string NotThis = "this is not the encoding that begins with FLTW (see ENCODING.md)";

    private static MessageRefusedException Refuse(string reason) => new($"weights: {reason}");
}
