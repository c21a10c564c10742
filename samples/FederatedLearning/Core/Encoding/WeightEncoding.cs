using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.Encoding;

/// <summary>
/// A model as base64 text, the value of <c>weights</c> in JSON. The format is written down in ENCODING.md.
/// </summary>
/// <remarks>
/// The header's length is a multiple of 12: of 3, so that header and values are two independent runs of base64, and of
/// 4, so that the values are aligned. Values go straight from the model's block into the message and back: nothing
/// holds a second copy of the whole.
/// </remarks>
public static class WeightEncoding
{
    /// <summary>The length of the text for a model, in bytes.</summary>
    public static int EncodedLength(ModelWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        return Base64.GetMaxEncodedToUtf8Length(
            checked(WeightHeader.Length(weights.Layout) + weights.Values.Length * sizeof(float)));
    }

    /// <summary>Writes a model's text.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="destination">At least <see cref="EncodedLength"/> bytes.</param>
    /// <returns>How many bytes were written.</returns>
    public static int Encode(ModelWeights weights, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(weights);
        byte[] header = WeightHeader.Write(weights.Layout);
        if (Base64.EncodeToUtf8(header, destination, out _, out int written) != OperationStatus.Done)
            throw new ArgumentException("The destination is too short.", nameof(destination));
        var status = EncodeValues(weights.Values, destination[written..], out int more);
        return status == OperationStatus.Done
            ? written + more
            : throw new ArgumentException("The destination is too short.", nameof(destination));
    }

    /// <summary>Reads a model's text.</summary>
    /// <exception cref="MessageRefusedException">The text is something else, of another version, or its length is not
    /// what its header says.</exception>
    public static ModelWeights Decode(ReadOnlySpan<byte> text)
    {
        var (layout, count, headerText) = WeightHeader.Read(text);
        int expected = headerText + Base64.GetMaxEncodedToUtf8Length(checked((int)(count * sizeof(float))));
        if (text.Length != expected)
            throw new MessageRefusedException(
                $"weights: the header announces {expected} characters of base64, there are {text.Length}");
        float[] values = GC.AllocateUninitializedArray<float>((int)count);
        var bytes = MemoryMarshal.AsBytes(values.AsSpan());
        var status = Base64.DecodeFromUtf8(text[headerText..], bytes, out int consumed, out int written);
        if (status != OperationStatus.Done || written != bytes.Length || consumed != text.Length - headerText)
            throw new MessageRefusedException("weights: not base64 (standard alphabet, padded, no line breaks)");
        if (!BitConverter.IsLittleEndian) ReverseBytes(values);
        return new ModelWeights(layout, values);
    }

    /// <summary>Writes a model as the bytes that the text is base64 of, for a protocol that carries bytes.</summary>
    public static byte[] ToBytes(ModelWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        byte[] header = WeightHeader.Write(weights.Layout);
        long length = header.Length + (long)weights.Values.Length * sizeof(float);
        MessageLimit.Check(length);
        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)length);
        header.CopyTo(bytes, 0);
        var values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(header.Length));
        weights.Values.CopyTo(values);
        if (!BitConverter.IsLittleEndian) ReverseBytes(values);
        return bytes;
    }

    /// <summary>Reads a model from bytes.</summary>
    /// <exception cref="MessageRefusedException">They are something else, of another version, or not as many as their
    /// header says.</exception>
    public static ModelWeights FromBytes(ReadOnlySpan<byte> bytes)
    {
        var (layout, count, header) = WeightHeader.ReadBytes(bytes);
        if (bytes.Length != header + count * sizeof(float))
            throw new MessageRefusedException(
                $"weights: the header announces {header + count * sizeof(float)} bytes, there are {bytes.Length}");
        float[] values = GC.AllocateUninitializedArray<float>((int)count);
        bytes[header..].CopyTo(MemoryMarshal.AsBytes(values.AsSpan()));
        if (!BitConverter.IsLittleEndian) ReverseBytes(values);
        return new ModelWeights(layout, values);
    }

    private static OperationStatus EncodeValues(ReadOnlySpan<float> values, Span<byte> destination, out int written)
    {
        if (BitConverter.IsLittleEndian)
            return Base64.EncodeToUtf8(MemoryMarshal.AsBytes(values), destination, out _, out written);
        float[] copy = values.ToArray();
        ReverseBytes(copy);
        return Base64.EncodeToUtf8(MemoryMarshal.AsBytes(copy.AsSpan()), destination, out _, out written);
    }

    private static void ReverseBytes(Span<float> values)
    {
        var bits = MemoryMarshal.Cast<float, uint>(values);
        BinaryPrimitives.ReverseEndianness(bits, bits);
    }
}
